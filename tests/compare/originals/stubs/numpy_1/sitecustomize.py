"""`numpy.fromstring` of bytes, as it was until NumPy 2.3 took it away."""

import numpy

_of_text = numpy.fromstring


def fromstring(string, dtype=float, count=-1, *, sep="", like=None):
    if sep == "":
        return numpy.frombuffer(string, dtype, count).copy()
    return _of_text(string, dtype, count, sep=sep)


numpy.fromstring = fromstring
