"""What the case of an LSTM on film reviews is made of: its sentences, its models, its figures."""
