"""The pages for people: HTML made on the server, of the same values that programs get."""
