"""The verbs, one class each, which call one use-case of ``core`` or one work of ``bl``."""
