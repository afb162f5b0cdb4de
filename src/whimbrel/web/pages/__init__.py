"""What the pages for people have in common, whoever they are for: console, generator, reference.

Knows how a page is rendered, translated, styled and secured; not what is on it.
"""
