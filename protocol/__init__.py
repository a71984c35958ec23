"""The wire between the add-on and the engine, once, for both sides."""
