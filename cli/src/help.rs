//! The part of the help that follows the options of a command in `--help`, in the man page and in docs/cli.md: two
//! examples and the exit codes. The summary and the description of a command are the doc comments in [`crate::line`].

use crate::exit::Exit;

/// An example: a command line to type, and its purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    pub purpose: &'static str,
    pub typed: &'static str,
}

/// An exit code of a command, and the case in which the command ends with it.
pub type Ending = (Exit, &'static str);

/// The examples and exit codes of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help {
    /// The command as it is typed, or `driftless` for the tool itself.
    pub name: &'static str,
    pub examples: [Example; 2],
    /// The exit codes that the command can end with, in ascending order.
    pub endings: &'static [Ending],
}

const fn example(purpose: &'static str, typed: &'static str) -> Example {
    Example { purpose, typed }
}

const REFUSED: &str = "refused: no such fleet, no such stack, no AWS credentials, or no permission";
const WRONG: &str = "wrong arguments, or no AWS region is configured";
const UNREAD: &str = "the status function did not answer, or its answer could not be read";
const UNKNOWN: &str = "the operator function did not answer; repeat the command with the printed --request ID";
const UNCONFIRMED: &str = "wrong arguments, no AWS region, or there is no terminal to confirm on and --yes is missing";
const STORED: &str = "stored, but no reconcile has applied it yet: `driftless history FLEET` shows the result";

/// The exit codes of commands that only read.
const READING: &[Ending] = &[
    (Exit::Done, "the answer was printed"),
    (Exit::Usage, WRONG),
    (Exit::Refused, REFUSED),
    (Exit::Unavailable, UNREAD),
];

/// The exit codes of commands that change something without asking.
const UNASKED: &[Ending] = &[
    (Exit::Done, "applied: the output shows what the fleet does now"),
    (Exit::NotDone, "not applied: the output says why"),
    (Exit::Usage, WRONG),
    (Exit::Refused, REFUSED),
    (Exit::Unavailable, UNKNOWN),
    (Exit::Pending, STORED),
];

/// The exit codes of commands that show what they will do and ask for confirmation.
const CONFIRMED: &[Ending] = &[
    (Exit::Done, "applied: the output shows what the fleet does now"),
    (Exit::NotDone, "not applied: the output says why, or you answered no"),
    (Exit::Usage, UNCONFIRMED),
    (Exit::Refused, REFUSED),
    (Exit::Unavailable, UNKNOWN),
    (Exit::Pending, STORED),
];

/// The exit codes of `freeze` and `thaw`. The operator function itself stores a freeze or a thaw, so no reconcile pass
/// has to apply it.
const STORED_AT_ONCE: &[Ending] = &[
    (Exit::Done, "stored: it holds from the next reconcile of each fleet"),
    (Exit::NotDone, "not stored: you answered no (only with --everything)"),
    (Exit::Usage, UNCONFIRMED),
    (Exit::Refused, "refused: no such stack, no AWS credentials, or no permission"),
    (Exit::Unavailable, UNKNOWN),
];

/// The examples and exit codes of every command, in the order of `--help`.
pub const COMMANDS: &[Help] = &[
    Help {
        name: "status",
        examples: [
            example("List every fleet of the account and region", "driftless status"),
            example("Print the rollback path of one fleet", "driftless status app --region eu-west-1"),
        ],
        endings: READING,
    },
    Help {
        name: "watch",
        examples: [
            example("Follow one fleet until Ctrl-C", "driftless watch app"),
            example(
                "Follow a cutover in a pipeline's log until it has ended",
                "driftless watch app --until-idle --every 10s",
            ),
        ],
        endings: &[
            (Exit::Done, "the fleet is idle (--until-idle), or the reader of the output closed it"),
            (Exit::Usage, WRONG),
            (Exit::Refused, REFUSED),
            (Exit::Unavailable, "the answer of the status function could not be read; lost connections are retried"),
        ],
    },
    Help {
        name: "why",
        examples: [
            example("Show which guard blocks the replacement of an instance", "driftless why i-00000000000000001"),
            example("Show why an image has not taken traffic", "driftless why ami-00000000000000002 --fleet app"),
        ],
        endings: &[
            (Exit::Done, "the answer was printed"),
            (Exit::Usage, "wrong arguments, no AWS region, or an image needs --fleet because there are several"),
            (Exit::Refused, "refused: no such fleet or instance, no such stack, no AWS credentials, or no permission"),
            (Exit::Unavailable, UNREAD),
        ],
    },
    Help {
        name: "history",
        examples: [
            example("Show the last 30 entries of a fleet", "driftless history app"),
            example(
                "Show what was done to one instance",
                "driftless history app --instance i-00000000000000001 --limit 100",
            ),
        ],
        endings: READING,
    },
    Help {
        name: "freeze",
        examples: [
            example(
                "Pause all changes to one fleet for two hours",
                "driftless freeze app --reason 'incident 42' --for 2h",
            ),
            example("Pause all changes to every fleet", "driftless freeze --everything --reason 'incident 42'"),
        ],
        endings: STORED_AT_ONCE,
    },
    Help {
        name: "thaw",
        examples: [
            example("Lift the freeze of one fleet", "driftless thaw app --reason 'incident 42 is over'"),
            example("Lift the freeze of the account without being asked", "driftless unfreeze --everything --yes"),
        ],
        endings: STORED_AT_ONCE,
    },
    Help {
        name: "pause",
        examples: [
            example("Hold the cutover at its current weights", "driftless pause app"),
            example("The same, with a reason for the history", "driftless pause app --reason 'checking latency'"),
        ],
        endings: UNASKED,
    },
    Help {
        name: "resume",
        examples: [
            example("Continue a paused cutover", "driftless resume app"),
            example(
                "Continue from the weights that the listener has now",
                "driftless resume app --reason 'weights are intended'",
            ),
        ],
        endings: UNASKED,
    },
    Help {
        name: "approve",
        examples: [
            example("Approve the cutover that waits", "driftless approve app --reason 'smoke tests passed'"),
            example("Approve from a pipeline that may run twice", "driftless approve app --request deploy-42"),
        ],
        endings: UNASKED,
    },
    Help {
        name: "reject",
        examples: [
            example(
                "Reject the cutover that waits, and veto its image",
                "driftless reject app --reason 'smoke tests failed'",
            ),
            example("Reject from a pipeline", "driftless reject app --yes --request deploy-42"),
        ],
        endings: CONFIRMED,
    },
    Help {
        name: "promote",
        examples: [
            example("Skip the remaining waits of the cutover", "driftless promote app --reason 'urgent fix'"),
            example("The same without being asked", "driftless promote app --yes"),
        ],
        endings: CONFIRMED,
    },
    Help {
        name: "abort",
        examples: [
            example("End the cutover under way", "driftless abort app --reason 'wrong build'"),
            example("The same without being asked", "driftless abort app --yes"),
        ],
        endings: CONFIRMED,
    },
    Help {
        name: "rollback",
        examples: [
            example(
                "Show what a rollback does, ask, and roll back",
                "driftless rollback app --reason 'errors since 14:02'",
            ),
            example("Roll back without being asked", "driftless rollback app --yes"),
        ],
        endings: CONFIRMED,
    },
    Help {
        name: "retry",
        examples: [
            example("Try again everything that was stopped or deferred", "driftless retry app"),
            example("The same, with a reason for the history", "driftless retry app --reason 'quota raised'"),
        ],
        endings: UNASKED,
    },
    Help {
        name: "replace",
        examples: [
            example("Replace one instance", "driftless replace i-00000000000000001 --reason 'disk errors'"),
            example(
                "The same without asking the status function",
                "driftless replace i-00000000000000001 --fleet app --yes",
            ),
        ],
        endings: CONFIRMED,
    },
    Help {
        name: "redeploy",
        examples: [
            example(
                "Put the current release on fresh instances",
                "driftless redeploy app --reason 'rotate certificates'",
            ),
            example("The same without being asked", "driftless redeploy app --yes"),
        ],
        endings: CONFIRMED,
    },
    Help {
        name: "veto",
        examples: [
            example(
                "Keep an image from taking traffic",
                "driftless veto app ami-00000000000000002 --reason 'leaks memory'",
            ),
            example("The same without being asked", "driftless veto app ami-00000000000000002 --yes"),
        ],
        endings: CONFIRMED,
    },
    Help {
        name: "unveto",
        examples: [
            example("Allow a vetoed image again", "driftless unveto app ami-00000000000000002"),
            example(
                "The same, with a reason for the history",
                "driftless unveto app ami-00000000000000002 --reason 'alarm was wrong'",
            ),
        ],
        endings: UNASKED,
    },
    Help {
        name: "accept-live",
        examples: [
            example(
                "Set green as the live color",
                "driftless accept-live app green --reason 'weights were moved by hand'",
            ),
            example("Set blue as the live color without being asked", "driftless accept-live app blue --yes"),
        ],
        endings: CONFIRMED,
    },
    Help {
        name: "adopt",
        examples: [
            example("List what keeps Driftless from managing the fleet", "driftless adopt app --check"),
            example(
                "Pin launch templates that follow $Latest or $Default",
                "driftless adopt app --pin --reason 'ready to act'",
            ),
        ],
        endings: &[
            (Exit::Done, "--check: no obstacle; --pin: every group launches a numbered version"),
            (Exit::NotDone, "--check: obstacles were found; --pin: not applied, the output says why"),
            (Exit::Usage, WRONG),
            (Exit::Refused, REFUSED),
            (Exit::Unavailable, "the status or the operator function did not answer, or its answer could not be read"),
            (Exit::Pending, STORED),
        ],
    },
    Help {
        name: "doctor",
        examples: [
            example("Check every fleet", "driftless doctor"),
            example("Check one fleet, for a monitoring job", "driftless doctor app --json"),
        ],
        endings: &[
            (Exit::Done, "no check found a problem; a check that could not be made does not count"),
            (Exit::NotDone, "at least one check found a problem"),
            (Exit::Usage, WRONG),
            (Exit::Refused, REFUSED),
            (Exit::Unavailable, UNREAD),
        ],
    },
    Help {
        name: "wait",
        examples: [
            example("Wait until nothing is in progress", "driftless wait app --for idle"),
            example(
                "Wait until the cutover to an image has ended, and fail unless it is done",
                "driftless wait app --for outcome --image ami-00000000000000002 --timeout 3h",
            ),
        ],
        endings: &[
            (Exit::Done, "the awaited state is reached"),
            (Exit::NotDone, "not reachable without an operator: rolled back, ended otherwise, or in needs-operator"),
            (Exit::Usage, WRONG),
            (Exit::Refused, REFUSED),
            (Exit::Unavailable, "the status function did not answer until --timeout, or its answer could not be read"),
            (Exit::TimedOut, "--timeout is over and the state is not reached"),
        ],
    },
    Help {
        name: "simulate",
        examples: [
            example("Run one scenario", "driftless simulate tests/scenarios/08-both-colors-ring.scenario"),
            example(
                "Run it with random delays, and show every AWS call",
                "driftless simulate tests/scenarios/08-both-colors-ring.scenario --seed 7 --trace",
            ),
        ],
        endings: &[
            (Exit::Done, "every expectation of every scenario is met, and no invariant is broken"),
            (Exit::NotDone, "an expectation is not met, or an invariant is broken"),
            (Exit::Usage, "wrong arguments, or a file cannot be read"),
        ],
    },
    Help {
        name: "man",
        examples: [
            example("Print the man page of the tool", "driftless man"),
            example("Write a page for each command", "driftless man /usr/local/share/man/man1"),
        ],
        endings: &[
            (Exit::Done, "the pages were written"),
            (Exit::Usage, "wrong arguments"),
            (Exit::Unavailable, "the folder or the output could not be written"),
        ],
    },
    Help {
        name: "completions",
        examples: [
            example("Print completions for bash", "driftless completions bash"),
            example("Print completions for zsh", "driftless completions zsh"),
        ],
        endings: &[
            (Exit::Done, "the completions were printed"),
            (Exit::Usage, "wrong arguments, such as a shell that is not supported"),
        ],
    },
];

/// The examples and exit codes of the command with this name. None: there is no such command.
pub fn of(name: &str) -> Option<&'static Help> {
    COMMANDS.iter().find(|help| help.name == name)
}

/// The text that `--help` prints below the options of a command.
pub(crate) fn below(name: &str) -> String {
    of(name).map(|help| format!("{}\n\n{}", help.examples_text(), endings_text(help.endings))).unwrap_or_default()
}

impl Help {
    fn examples_text(&self) -> String {
        let examples = self.examples.iter().map(|example| format!("  {}:\n    $ {}", example.purpose, example.typed));
        format!("Examples:\n{}", examples.collect::<Vec<_>>().join("\n"))
    }
}

fn endings_text(endings: &[Ending]) -> String {
    let lines = endings.iter().map(|(exit, when)| format!("  {}  {when}", exit.code()));
    format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// The text that `--help` of the tool itself prints below its options.
pub(crate) fn below_all() -> String {
    endings_text(&Exit::ALL.map(|exit| (exit, exit.means())))
}
