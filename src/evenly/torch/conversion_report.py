"""The report of `evenly.torch.convert`: which layers of a model were changed."""

from dataclasses import dataclass, field

from evenly.errors import format_names


@dataclass(frozen=True)
class ConversionReport:
    """The layers of a model that `convert` changed, and those that it did not.

    Its length is the number of changed layers, and ``print(report)`` shows it in one line.

    Attributes
    ----------
    to
        ``"evenly"`` or ``"torch"``: the package whose classes the layers have now.
    changed
        Maps the name of each changed layer to the name of its class. Layers have their names in
        ``model.named_modules()``: empty for the model itself, and the first for a shared layer.
    skipped
        The same for batch norms of classes that are neither torch's nor evenly's.
    lost
        With ``to="torch"``: maps the name of a layer to the names of evenly's options it had.

    Examples
    --------
    >>> from torch import nn
    >>> from evenly.torch import convert
    >>> model, report = convert(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), report=True)
    >>> report.changed
    {'1': 'BatchNorm1d'}
    >>> print(report)
    1 batch norm was converted to evenly's class: '1'.
    """

    to: str
    changed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    lost: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.changed)

    def __bool__(self) -> bool:
        """Return True: a report of 0 layers is a report."""
        return True

    def __str__(self) -> str:
        names = format_names(name or "the model" for name in self.changed)
        match len(self.changed):
            case 0:
                text = f"No batch norm was converted to {self.to}'s classes"
            case 1:
                text = f"1 batch norm was converted to {self.to}'s class: {names}"
            case count:
                text = f"{count} batch norms were converted to {self.to}'s classes: {names}"
        return f"{text}. {self._describe_skipped()}".rstrip()

    def _describe_skipped(self) -> str:
        if not self.skipped:
            return ""
        others = [f"{name or 'the model'} ({kind})" for name, kind in self.skipped.items()]
        return f"Not converted, because of their classes: {format_names(others)}."
