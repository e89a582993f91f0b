"""Programs as files, pictures and text for other tools."""
