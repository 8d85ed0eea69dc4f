"""Where the field's sets are, how they are had, and archives unpacked safely."""
