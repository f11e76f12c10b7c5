"""Words that several objects of the API have in common, each described once."""

from typing import Annotated, Literal

from pydantic import Field

Name = Annotated[str, Field(min_length=1, max_length=200)]
Id = Annotated[str, Field(min_length=1, max_length=100)]
Status = Annotated[
    Literal["waiting", "running", "done", "failed", "cancelled"],
    Field(description="Where the image is: before, at or behind the model, or given up."),
]
Label = Annotated[
    Literal["ok", "ng"] | None, Field(description="What a person said of the image; null: nothing.")
]
Verdict = Literal["OK", "UNSURE", "NG"]
Made = Annotated[str, Field(description="When it was made, in UTC (ISO 8601).")]
Tile = Annotated[
    str | None,
    Field(max_length=20, description="Windows: their side in pixels, or auto; null: none."),
]
ImageName = Annotated[str, Field(description="File name that the sender gave, as it is shown.")]
ImageHash = Annotated[str, Field(description="SHA-256 of the image file.")]
ModelHash = Annotated[str, Field(description="SHA-256 of the model that scored or will score.")]
ModelId = Annotated[str, Field(description="Id of the model.")]
StationId = Annotated[str | None, Field(description="Id of the station; null: none decides.")]
Score = Annotated[
    float | None, Field(description="In [0, 1], larger is more anomalous; null: not scored yet.")
]
