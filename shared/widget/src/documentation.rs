//! What the widget says of itself, where somebody adds it to a dashboard.

/// In the markdown of CloudWatch.
pub const DOCUMENTATION: &str = "\
## Driftless

What every fleet is doing: both colors with their weights and healthy instances, the cutover under way with the time that is left, drifted instances and why, freezes, \
and the last transitions. It reads, and changes nothing.

A button sends an order to the function `operator`, after a confirmation. The journal says `unverified` of it: CloudWatch does not tell who has clicked. Orders of the \
command line are journaled with their name.

### Parameters

Param | Description
---|---
**fleet** | Only this fleet, in full. Without it: all fleets, the most urgent first.

### Example

``` yaml
fleet: app
```

### Permissions

Whoever looks needs `lambda:InvokeFunction` on this function. Whoever is to give orders needs it on `operator` too.
";
