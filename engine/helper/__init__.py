"""The process beside the front process that looks at pictures and keeps weights, without torch."""
