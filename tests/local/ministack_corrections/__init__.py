"""What ministack does differently from AWS, corrected: one function for each difference."""

from . import events, functions, templates


def apply(stack_id: str) -> None:
    """Applies every correction to the ministack of this process. Call it once, before ministack serves."""
    functions.each_function_has_its_own_access_key()
    functions.functions_see_only_their_own_environment(stack_id)
    functions.functions_are_killed_at_once()
    functions.urls_name_their_caller()
    events.events_of_aws_services_can_be_put()
    events.delayed_messages_are_polled_promptly()
    events.schedules_fire_on_time()
    templates.alarms_may_calculate()
    templates.conditions_may_join()
    templates.concurrency_may_be_a_parameter()
