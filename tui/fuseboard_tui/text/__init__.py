"""Text for the screen: sanitising, wrapping, charts, glyphs."""
