import pytest

from csv_files import day


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state.json"


@pytest.fixture
def days(tmp_path):
    """A folder of two days, the second of twice the rows."""
    folder = tmp_path / "days"
    folder.mkdir()
    day(folder / "1.csv", 1)
    day(folder / "2.csv", 2)
    return folder


@pytest.fixture
def read(monkeypatch):
    """Return the list of the labels of the images that are read, in the order of reading."""
    source = pytest.importorskip("evenly.sources.images.source")
    labels = []
    content_of = source.read_image

    def record(image):
        labels.append(image.label)
        return content_of(image)

    monkeypatch.setattr(source, "read_image", record)
    return labels
