"""What the plan of an engine says that runs user code, in the place of why a library was chosen."""

from typing import Final

USER_CODE: Final = "user_code"
"""Its kind ..."""
DECOUPLED: Final = "decoupled"
"""... whether a request has any number of answers ..."""
ABOUT: Final = "about"
"""... what people are told of it ..."""
PROCESS: Final = "process"
"""... and its number, and when it began."""
