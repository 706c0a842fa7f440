"""The providers Paifang knows: what a channel to each of them needs to be set up with.

Only what the provider's own documents say, or what can be seen from outside, is stated; ``source``
names the document. Models are not named: they age faster than releases.
"""
