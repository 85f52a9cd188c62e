"""What the hub publishes about itself for its partners: schemas, contracts, guides. Generated, never edited."""
