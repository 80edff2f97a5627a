"""What a breaker costs, beside the breakers that others wrote; run by hand, never asserted."""
