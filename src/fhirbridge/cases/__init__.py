"""Recorded cases: one decision kept without the person, to be made again elsewhere.

    recording.record(...)  -> Case      reads as a decision does, masks, decides again, compares
    document.dumps(case)   -> bytes     the file that a user sends us
    replaying.replay(case) -> Replayed  decides from the file alone

What may stand in a case is a list (`allowed`): an element that is not on it is dropped. Names are
numbers, dates are moved together, and of texts only the words that we know are kept.
"""
