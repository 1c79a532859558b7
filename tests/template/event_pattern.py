"""Does an EventBridge pattern match an event? The operators that template.yaml uses, and `exists`."""

MISSING = object()


def matches(pattern, event):
    """Every field of the pattern must match; fields that it does not name do not count."""
    for field, wanted in pattern.items():
        value = event.get(field, MISSING) if isinstance(event, dict) else MISSING
        if isinstance(wanted, dict):
            if not matches(wanted, value if isinstance(value, dict) else {}):
                return False
        elif not any(_accepts(option, value) for option in wanted):
            return False
    return True


def _accepts(option, value):
    if isinstance(option, dict):
        (operator, operand), = option.items()
        if operator == "exists":
            return (value is not MISSING) == operand
    if value is MISSING:
        return False
    # An array matches where one of its elements does.
    values = value if isinstance(value, list) else [value]
    if not isinstance(option, dict):
        return option in values
    if operator == "prefix":
        return any(isinstance(v, str) and v.startswith(operand) for v in values)
    if operator == "anything-but":
        return any(not _excluded(operand, v) for v in values)
    # An operator that is unknown here must not pass as "does not match".
    raise ValueError(f"the matcher does not know {operator}")


def _excluded(operand, value):
    if isinstance(operand, dict):
        (operator, prefixes), = operand.items()
        if operator != "prefix":
            raise ValueError(f"the matcher does not know anything-but {operator}")
        return isinstance(value, str) and value.startswith(tuple(_as_list(prefixes)))
    return value in _as_list(operand)


def _as_list(value):
    return value if isinstance(value, list) else [value]
