"""Reference pictures: reading, mattes, cropping, tokens."""
