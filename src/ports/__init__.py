"""What the application needs from the world, as small protocols. Adapters implement them."""
