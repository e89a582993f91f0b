"""What core and a plugin agree on."""
