"""The verbs, one class each: every one calls one use-case of ``core`` or one piece of work of ``bl``."""
