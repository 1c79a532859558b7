//! The documentation that CloudWatch shows where an operator adds the widget to a dashboard.

/// The text of the documentation, in the Markdown that CloudWatch supports.
pub const DOCUMENTATION: &str = "\
## Driftless

What every fleet does: both colors with their weights and healthy instances, the cutover in progress with the time that is left, drifted instances and why, freezes, \
and the last transitions. Drawing the widget changes nothing.

A button sends a command to the function `operator`, after a confirmation. The history records its sender as `unverified`: CloudWatch does not say who clicked. Commands of the \
command line are recorded with the name that AWS verified.

### Parameters

Param | Description
---|---
**fleet** | Show only this fleet, in full. Without it: all fleets, the most urgent first.

### Example

``` yaml
fleet: app
```

### Permissions

To see the widget, an identity needs `lambda:InvokeFunction` on this function. To send commands, it needs the same permission on `operator`.
";
