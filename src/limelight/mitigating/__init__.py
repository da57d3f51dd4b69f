"""What mitigations share: their cards, what a loss computes, and a loss of each framework."""
