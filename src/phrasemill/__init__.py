"""phrasemill takes the tics out of chat data and puts character in."""

__version__ = "0.1.0"
