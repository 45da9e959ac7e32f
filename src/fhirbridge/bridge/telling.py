"""What the bridge does, step by step, in the log: for who sets `log_level: debug`."""

from __future__ import annotations

from fhirbridge.logs import get_logger

from .story import Arrived, Conflicted, Decided, NotWatched, Read, Story, Wrote

log = get_logger("fhirbridge.story")


def tell(story: Story) -> None:
    """A watcher. What failed, and Subscriptions that changed, are told at other levels."""
    match story:
        case Arrived():
            log.debug(
                "delivery_kept",
                source=story.source,
                dialect=story.dialect,
                outcome=story.outcome,
                events=len(story.events),
                due=_few(story.due),
            )
        case Read():
            log.debug(
                "person_read",
                subject=story.subject,
                records=len(story.records),
                requests=sum(story.requests.values()),
                unread=_few(sorted(story.unread)),
            )
        case Decided():
            findings = story.decision.judgement.findings
            log.debug(
                "person_decided",
                subject=story.subject,
                findings=len(findings),
                rules=_few(sorted({each.rule for each in findings})),
                waited=story.waited.total_seconds(),
            )
        case Wrote():
            for each in story.done:
                log.debug(
                    "record_written",
                    subject=story.subject,
                    action=each.action,
                    record=f"{each.type}/{each.id}",
                )
        case Conflicted():
            log.debug("write_conflicted", subject=story.subject, next="read and decided anew")
        case NotWatched():
            log.debug("person_not_watched", subject=story.subject)


def _few(names: tuple[str, ...] | list[str]) -> str | None:
    """In one field, at most ten of them: a page of a sweep makes hundreds due."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return " ".join(names[:10]) + more or None
