"""Formats that evenly does not read, and the functions of other libraries that do."""

from evenly.sources.files.file_ref import suffixes_of

_READERS = {
    ".avro": "polars.read_avro",
    ".dta": "pandas.read_stata",
    ".fits": "astropy.io.fits.getdata",
    ".html": "pandas.read_html",
    ".jsonl": "polars.read_ndjson",
    ".mat": "scipy.io.loadmat",
    ".ndjson": "polars.read_ndjson",
    ".orc": "pandas.read_orc",
    ".safetensors": "safetensors.numpy.load_file",
    ".sav": "pandas.read_spss",
    ".xml": "pandas.read_xml",
    **dict.fromkeys((".grb", ".grib", ".grib2"), "xarray.open_dataset"),
    **dict.fromkeys((".ods", ".xls", ".xlsb", ".xlsm", ".xlsx"), "pandas.read_excel"),
    **dict.fromkeys((".pickle", ".pkl"), "pandas.read_pickle"),
    **dict.fromkeys((".ckpt", ".pt", ".pth"), "torch.load"),
    **dict.fromkeys((".sas7bdat", ".xpt"), "pandas.read_sas"),
}
"""Functions by the suffixes of the files that they read."""


def reading_advice(path: str) -> str:
    """Return what to do with a file in another format, after a space; "" if it is not known.

    >>> reading_advice("x.xlsx")
    ' Read it with pandas.read_excel, and pass the result.'
    >>> reading_advice("x.bin")
    ''
    """
    suffix = suffixes_of(path)[0]
    if suffix == ".json":
        return (
            " A statistics file is shown by `evenly show` and added by `evenly merge`; other JSON "
            "is read with pandas.read_json: pass the result."
        )
    reader = _READERS.get(suffix)
    return "" if reader is None else f" Read it with {reader}, and pass the result."
