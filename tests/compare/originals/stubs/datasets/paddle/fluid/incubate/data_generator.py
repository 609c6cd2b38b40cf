"""The base class that the original reader of reviews has, of which prediction uses nothing."""


class MultiSlotDataGenerator:
    pass
