"""What is asked of the sandbox's own API and cannot be met."""


class WrongWish(Exception):
    """A request that cannot be met; the text says why.

    `text` may name `values` in braces, so that a page can say it in another language.
    """

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text.format(**values) if values else text)
        self.text = text
        self.values = values
