"""keras-transfer choose and search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from keras_transfer._checks import InputError
from keras_transfer.cli.options import Resize, Seed
from keras_transfer.cli.session import Json, app, print_json, say, session

_Candidates = Annotated[
    list[str] | None,
    typer.Option(help="Name of a network. Repeat for several; by default ten from small to large; 'all' for all."),
]
_Side = Annotated[int, typer.Option(min=1, help="Height and width in pixels.")]


def _asked(candidate: list[str] | None) -> str | list[str] | None:
    """Returns the candidates that an option names."""
    return "all" if candidate == ["all"] else candidate or None


@app.command()
def choose(
    data: Annotated[Path, typer.Argument(help="Folder of class folders, or of train/ and val/ with class folders.")],
    candidate: _Candidates = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Score that orders them: logme, solved_head, ... Repeat to show others beside the first."),
    ] = None,
    images: Annotated[int, typer.Option(min=2, help="Number of training images to look at.")] = 1000,
    image_size: _Side = 224,
    resize: Resize = "crop",
    seed: Seed = 0,
    plot: Annotated[
        Path | None, typer.Option(help="Draw accuracy over milliseconds an image to this PNG file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rank networks for a folder of photographs, by one pass of each and without training."""
    with session(as_json) as kt:
        from keras_transfer._folders import check_writable

        if plot is not None:
            check_writable(plot.expanduser().parent)
            if plot.suffix != ".png":
                raise InputError(f"Expected --plot FILE.png. Received: {str(plot)!r}.")
        pictures = kt.data.from_directory(data, image_size=image_size, resize=resize, seed=seed)
        verbose = 0 if as_json else "auto"
        ranking = kt.rank_backbones(pictures, _asked(candidate), by or "logme", images=images, verbose=verbose)
        say(as_json, f"\n{ranking}")
        if plot is not None:
            ranking.plot().savefig(plot.expanduser())
            say(as_json, f"picture     {plot}")
        say(as_json, f"try         keras-transfer train {data} --backbone {ranking.best} --recipe default")
        print_json(as_json, ranking.to_dict())


@app.command()
def search(
    data: Annotated[Path, typer.Argument(help="Folder of class folders, or of train/, val/ and test/ with them.")],
    minutes: Annotated[float, typer.Option(help="Wall-clock time to spend.")] = 10,
    candidate: _Candidates = None,
    image_size: _Side = 224,
    resize: Resize = "crop",
    seed: Seed = 0,
    resume_dir: Annotated[
        Path | None, typer.Option(help="Keep the search here after each trial; the same command goes on with it.")
    ] = None,
    output: Annotated[
        Path,
        typer.Option(help="Folder for the version, model.keras, leaderboard.csv and, with a test/, report.json."),
    ] = Path("saved_models/model"),
    as_json: Json = False,
) -> None:
    """Search for the best model for some minutes, and export it."""
    with session(as_json) as kt:
        from rich.console import Console
        from rich.table import Table

        from keras_transfer._folders import check_writable, placed

        output = output.expanduser()
        check_writable(output)
        pictures = kt.data.from_directory(data, image_size=image_size, resize=resize, seed=seed)
        say(as_json, str(pictures))
        verbose = 0 if as_json else "auto"
        found = kt.search(
            pictures, minutes, candidates=_asked(candidate), folder=resume_dir, seed=seed, verbose=verbose
        )
        if not as_json:
            table = Table("network", "plan", "state", "loss", found.measure, "seconds")
            for trial in found.trials:
                figures = ["" if value is None else f"{value:.3f}" for value in (trial.loss, trial.score)]
                table.add_row(trial.network, trial.plan, trial.state, *figures, f"{trial.seconds:.0f}")
            Console().print(table)
        version = kt.export(found.model, output, data=pictures, report=found.report)
        with placed(output, "The model and the leaderboard") as staging:
            found.model.save(staging / "model.keras")
            found.to_csv(staging / "leaderboard.csv")
            if found.report is not None:
                (staging / "report.json").write_text(json.dumps(found.report.to_dict(), indent=2), encoding="utf-8")
        say(as_json, f"{found.seconds:.0f} s of {found.budget:.0f}; best: {found.best.network}, {found.best.plan}")
        say(as_json, f"served version  {version}")
        print_json(as_json, {"version": str(version), **found.to_dict()})
