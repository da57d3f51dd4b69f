"""What ran in one pass: attentions, softmaxes, what their values were made of."""
