"""A whole run: plan, what is already done, shards through worker processes, waiting rows through a model, and out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from phrasemill.engine.base_folder import base_with_spans, known_requests
from phrasemill.engine.beside import compile_folder
from phrasemill.engine.damage import drop_statistics, mend_folder, take_back
from phrasemill.engine.executors.choose import Executor, ExecutorName, executor
from phrasemill.engine.executors.slurm_array import SlurmOptions
from phrasemill.engine.fates import Mode
from phrasemill.engine.fingerprints import fingerprint, shard_fingerprints, stage_fingerprints
from phrasemill.engine.folder import check_ours, commits_by_key, drop_staged, locked, publish_shard, stage_shard, sweep
from phrasemill.engine.frozen_schema import with_frozen_schema, write_schema
from phrasemill.engine.gates import check_gates
from phrasemill.engine.ingest_footer import largest_page
from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.manifest import Manifest, ShardCommit, read_manifest, write_atomic
from phrasemill.engine.memory import MemoryPlan, plan_memory
from phrasemill.engine.model_stage import ModelReport, run_model_stage
from phrasemill.engine.override_turns import missed
from phrasemill.engine.overrides import Overrides, load_overrides
from phrasemill.engine.pool import INLINE_BYTES, worker_count
from phrasemill.engine.progress import progress
from phrasemill.engine.quality import quality_identity
from phrasemill.engine.retire import current_staged, retire
from phrasemill.engine.run_folder import is_begun, other_config, refuse_other_config, refuse_output_in_input
from phrasemill.engine.scratch import refuse_living, scratch_folder
from phrasemill.engine.settings import dump_config
from phrasemill.engine.shard_attempt import ATTEMPT_WORK, Unread, refuse_unread
from phrasemill.engine.shard_job import ShardJob, ShardResult, load_filters, portable
from phrasemill.engine.shards import InputPlan, Shard, plan_input
from phrasemill.engine.statistics import with_statistics
from phrasemill.engine.stopping import Stop, stop_on_signals
from phrasemill.generators.traits import load_traits, trait_hash
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.errors import ConfigError, GateError, IntegrityError, WorkerError
from phrasemill.schemas.trait import Trait


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What stands on the command line beside the configuration. ``decides`` false: a scan without a policy.

    ``executor`` does the shards, ``workers`` of them at once; ``slurm`` is what its tasks ask for. No result depends
    on these. ``recheck``: all that is published is read again before what is done is decided. ``on_commit`` is called
    with every shard that was published; what it raises ends the run.
    """

    mode: Mode
    limit: int | None = None
    head: int | None = None
    workers: int | None = None
    base: Path | None = None
    prune: bool = False
    recheck: bool = False
    decides: bool = True
    show_progress: bool | None = None
    executor: ExecutorName = "local"
    slurm: SlurmOptions | None = None
    on_commit: Callable[[ShardCommit], None] | None = None


@dataclass(slots=True)
class RunReport:
    """What a run did: the manifest as it is now, and what this run itself contributed.

    ``skipped`` shards were already done; ``taken_back`` were damaged and done anew; ``spans_reused`` took their spans
    from the base; ``absent`` are published shards that are gone from the input; ``again`` were begun more than once by
    a cluster. ``overrides`` verdicts of a person were given, ``overrides_missed`` of them on turns that were not read.
    ``unread`` shards could not be read: once all others are done they end the run with an error.
    """

    out: Path
    manifest: Manifest
    done: int = 0
    skipped: int = 0
    taken_back: tuple[str, ...] = ()
    spans_reused: int = 0
    absent: tuple[str, ...] = ()
    input_bytes: int = 0
    seconds: float = 0.0
    overrides: int = 0
    overrides_missed: int = 0
    again: tuple[str, ...] = ()
    unread: list[Unread] = field(default_factory=list)
    model: ModelReport = field(default_factory=ModelReport)


class GateFailed(GateError):
    """A gate of the policy does not hold; ``report`` says what the run did all the same."""

    def __init__(self, message: str, report: RunReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, slots=True)
class _Run:
    """What stays the same while a run goes on. ``judged`` is ``config`` with the statistics that its filters need."""

    config: RunConfig
    judged: RunConfig
    options: RunOptions
    out: Path
    plan: InputPlan
    memory: MemoryPlan
    executor: Executor
    stages: dict[str, str]
    judge: Judge
    traits: tuple[Trait, ...]
    base_commits: dict[str, ShardCommit]
    overrides: Overrides

    @property
    def prints(self) -> dict[str, dict[str, str]]:
        """Fingerprints by shard."""
        return {shard.key: shard_fingerprints(self.stages, shard, self.plan) for shard in self.plan.shards}


def execute(config: RunConfig, out: Path, options: RunOptions) -> RunReport:
    """Do everything that is not yet done, and write manifest, catalog and card.

    Raises:
        ConfigError, InputError: nothing was changed.
        LockedError: another run writes there.
        BackendError, Interrupted: resumable; what was finished is kept.
        IntegrityError: a shard could not be read, or a result does not hold; what was finished is kept.
        GateFailed: all is published, but a gate of the policy does not hold.

    """
    started = time.monotonic()
    out = out.resolve()
    check_ours(out)
    traits = load_traits(config.traits)
    if options.mode == "run" and not traits:
        raise ConfigError("traits.use: is empty; what is regenerated needs a voice, for example plain")
    overrides = load_overrides(None if options.mode == "scan" else config.overrides)
    load_filters(config)  # what is wrong with a filter is told before anything is written
    plan = plan_input(config.input, limit=options.limit, head=options.head, seed=config.seed)
    plan = with_frozen_schema(plan, out)
    refuse_output_in_input(plan, out)
    memory = _memory(config, options, plan)
    known = () if options.base is None else read_manifest(options.base).shards
    with locked(out), stop_on_signals() as stop:
        refuse_living(out)
        mend_folder(out, _identity(config), dump_config(config), {shard.key for shard in plan.shards})
        refuse_other_config(out, config)
        recounted = drop_statistics(out)
        sweep(out, list(commits_by_key(out).values()))
        with (
            scratch_folder(out) as scratch,
            executor(options.executor, options.workers, options.slurm, out, scratch) as does,
        ):
            judged = with_statistics(
                config,
                plan,
                out,
                does,
                memory=memory,
                stopping=lambda: bool(stop),
                show_progress=options.show_progress,
                anew=not is_begun(out),
            )
            stop.check()
            run = _prepared(config, judged, out, options, plan, memory, does, traits, known, overrides)
            _refuse_other_content(run, recounted)
            write_atomic(out / "config.yaml", dump_config(config).encode())
            write_schema(plan, out)
            report = _run_locked(run, stop)
    report.seconds = time.monotonic() - started
    try:
        check_gates(report.manifest, config.policy)
    except GateError as error:
        raise GateFailed(error.message, report) from error
    return report


def _prepared(
    config: RunConfig,
    judged: RunConfig,
    out: Path,
    options: RunOptions,
    plan: InputPlan,
    memory: MemoryPlan,
    does: Executor,
    traits: tuple[Trait, ...],
    known: Sequence[ShardCommit],
    overrides: Overrides,
) -> _Run:
    filters = load_filters(judged)
    allow = frozenset(name for trait in traits for name in trait.phrases.allow)
    hashes = [trait_hash(trait) for trait in traits]
    stages = stage_fingerprints(
        judged,
        filters,
        allow,
        hashes,
        options.mode,
        decides=options.decides,
        overrides=overrides.fingerprint,
        quality=quality_identity(config),
    )
    base_commits = {commit.key: commit for commit in known}
    judge = Judge(filters, config.policy, allow)
    return _Run(config, judged, options, out, plan, memory, does, stages, judge, traits, base_commits, overrides)


def _run_locked(run: _Run, stop: Stop) -> RunReport:
    prints = run.prints
    commits = commits_by_key(run.out)
    taken_back = take_back(
        run.out, commits, prints, recheck=run.options.recheck, show_progress=run.options.show_progress
    )
    absent = retire(run.out, run.plan, commits, prints, prune=run.options.prune)
    staged = current_staged(run.out, commits, prints)
    todo = [shard for shard in run.plan.shards if shard.key not in commits and shard.key not in staged]
    report = RunReport(run.out, _manifest(run, commits, absent), absent=absent, taken_back=taken_back)
    report.skipped = len(run.plan.shards) - len(todo)
    report.input_bytes = _input_bytes(run.plan, todo)
    lost: WorkerError | None = None
    try:
        try:
            _judge_shards(run, todo, prints, commits, staged, report, stop)
        except WorkerError as error:
            lost = error  # the other shards are done, and their rows are written
        if staged:
            _write_rows(run, commits, staged, report, stop)
    finally:
        report.manifest = _manifest(run, commits, absent)
        report.overrides, report.overrides_missed = len(run.overrides), missed(run.overrides, report.manifest)
        if run.executor.scratch.is_dir():  # else another run has taken the folder over, and knows more
            report.manifest = compile_folder(run.out, report.manifest, run.config)
    if lost is not None:
        raise lost
    stop.check()
    refuse_unread(report.unread)
    return report


def _judge_shards(
    run: _Run,
    todo: Sequence[Shard],
    prints: Mapping[str, dict[str, str]],
    commits: dict[str, ShardCommit],
    staged: dict[str, ShardCommit],
    report: RunReport,
    stop: Stop,
) -> None:
    """Every shard that is not done: published at once, or staged where rows wait for a model."""
    config = portable(run.judged)
    jobs = [_job(run, config, shard, prints[shard.key]) for shard in todo]
    workers = min(_workers(run.options, report.input_bytes), run.memory.workers)
    total = None if any(shard.rows is None for shard in todo) else sum(shard.rows or 0 for shard in todo)
    label = "scanning" if run.options.mode == "scan" else "cleaning"
    results = run.executor.run("shards", ATTEMPT_WORK, jobs, workers=workers, stopping=lambda: bool(stop))
    # Closed here, whatever happens: what still runs elsewhere is withdrawn while its folder is there.
    with closing(results), progress(label, total, "rows", enabled=run.options.show_progress) as advance:
        for result in results:
            if isinstance(result, Unread):
                report.unread.append(result)
                continue
            _place(run, result, commits, staged)
            report.done += 1
            report.spans_reused += result.reused_spans
            advance(result.commit.rows_in)
    report.again = tuple(run.executor.again)
    stop.check()


def _workers(options: RunOptions, size: int) -> int:
    return options.workers or (worker_count() if size > INLINE_BYTES else 1)


def _memory(config: RunConfig, options: RunOptions, plan: InputPlan) -> MemoryPlan:
    """Processes and what each may hold. On a cluster the setting is that of each process."""
    workers = _workers(options, _input_bytes(plan, plan.shards)) if options.executor == "local" else 1
    page = 0 if config.memory is None else largest_page(file.path for file in plan.files if file.kind == "parquet")
    filters = [each.use for each in config.filters]
    return plan_memory(config.memory, filters, workers, shards=len(plan.shards), largest_page=page)


def _place(run: _Run, result: ShardResult, commits: dict[str, ShardCommit], staged: dict[str, ShardCommit]) -> None:
    key = result.commit.key
    if result.waiting:
        stage_shard(run.out, result.work, result.commit)
        staged[key] = result.commit
    else:
        publish_shard(run.out, result.work, result.commit)
        _committed(run, commits, result.commit)


def _committed(run: _Run, commits: dict[str, ShardCommit], commit: ShardCommit) -> None:
    commits[commit.key] = commit
    if run.options.on_commit is not None:
        run.options.on_commit(commit)


def _job(run: _Run, config: RunConfig, shard: Shard, prints: dict[str, str]) -> ShardJob:
    return ShardJob(
        shard=shard,
        plan=run.plan.only(shard),
        config=config,
        mode=run.options.mode,
        decides=run.options.decides,
        allow=run.judge.allow,
        fingerprints=prints,
        scratch=run.executor.scratch,
        base=base_with_spans(run.options.base, run.base_commits.get(shard.key), prints),
        overrides=run.overrides.in_shard(shard.key),
        share=run.memory.share,
    )


def _write_rows(
    run: _Run, commits: dict[str, ShardCommit], staged: dict[str, ShardCommit], report: RunReport, stop: Stop
) -> None:
    """The waiting rows of all staged shards, through the model."""
    waiting = sum(draft.rows_in - sum(draft.outcomes.values()) for draft in staged.values())

    def on_shard(commit: ShardCommit) -> None:
        drop_staged(run.out, commit.key)
        _committed(run, commits, commit)

    with progress("writing", waiting, "rows", enabled=run.options.show_progress) as advance:
        report.model = run_model_stage(
            run.out,
            run.executor.scratch,
            staged,
            run.judge,
            run.traits[0],
            run.config,
            sources=known_requests(run.options.base),
            stop=stop,
            on_row=advance,
            on_shard=on_shard,
        )


def _refuse_other_content(run: _Run, recounted: Sequence[str]) -> None:
    if is_begun(run.out) and (changed := _changed_content(run)):
        if recounted:
            raise IntegrityError(
                f"{run.out / recounted[0]}: was damaged, and what it counted cannot be counted again, as the input has "
                f"changed since: restore it from a copy, or write to a new folder with --base {run.out}"
            )
        raise other_config(run.out, changed)


def _changed_content(run: _Run) -> list[str]:
    """Differences that do not show in the configuration: the command, a pack's or trait's content, the sample."""
    every = run.prints
    known = next((commit for key, commit in commits_by_key(run.out).items() if key in every), None)
    if known is None or known.fingerprints == every[known.key]:
        return []
    prints = every[known.key]
    stage = next((name for name in prints if known.fingerprints.get(name) != prints[name]), "command")
    return [f"stage {stage}: the content of its packs, traits, overrides or sample, or the shape of rows, has changed"]


def _manifest(run: _Run, commits: Mapping[str, ShardCommit], absent: Sequence[str]) -> Manifest:
    return Manifest(
        command=run.options.mode,
        plan=run.plan.fingerprint(),
        config=_identity(run.config),
        limit=run.options.limit,
        head=run.options.head,
        seed=run.config.seed,
        shards=tuple(commits.values()),
        absent=tuple(absent),
    )


def _identity(config: RunConfig) -> str:
    return fingerprint(config.model_dump(mode="json", exclude={"memory"}))


def _input_bytes(plan: InputPlan, todo: Sequence[Shard]) -> int:
    paths = {shard.path for shard in todo}
    return sum(file.size for file in plan.files if file.path in paths)
