"""The models that are known, and the tensors' names in the words of their publishers."""
