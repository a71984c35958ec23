"""What is on the device, and when: the plan, and the only place that moves weights."""
