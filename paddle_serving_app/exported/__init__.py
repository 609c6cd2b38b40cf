"""Exported models that say themselves what stands before and behind them: those of the Paddle toolkits."""
