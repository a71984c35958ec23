"""Panels, menus and lists: they draw the snapshot, and write nothing."""
