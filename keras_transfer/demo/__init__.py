"""The demonstration: a network learns a new task from drawn pictures, and answers from a SavedModel.

It may import everything but `cli`; nothing else imports it but `cli`.
"""
