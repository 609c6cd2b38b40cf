"""stub"""


def read(p):
    import json

    return [json.loads(l) for l in p.read_text().splitlines() if l]


def of(r):
    return []


def write(f):
    pass


def report(f, r):
    return ""
