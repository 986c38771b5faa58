"""Claims about what training finds: the same contract, tagged ``trained``; they need torch and minutes."""
