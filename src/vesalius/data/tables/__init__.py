"""Tables of text, read safely (CSV, JSON, XML, YAML), and labels, words, questions out of them."""
