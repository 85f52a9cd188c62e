"""What workers see: read models built from the topics, and the pages over them."""
