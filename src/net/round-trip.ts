/**
 * Measures how long the other side takes to answer. The time in which this process was busy itself does not count: Node.js
 * tells how long its event loop was idle.
 */
import { performance } from 'node:perf_hooks'

/** Starts now. Returns a function that returns the milliseconds since then. */
export function roundTrip(): () => number {
  const start = performance.eventLoopUtilization()
  return () => performance.eventLoopUtilization(start).idle
}
