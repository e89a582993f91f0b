"""Running what was recorded: discovery, placement, the reference backend, executables."""
