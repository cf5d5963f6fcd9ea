/**
 * The medians of `file` of each run that counts, in bench/hours.json. The host of a virtual machine moves its processors,
 * so an hour may favour one tool or another: a claim names the range over all of them.
 */
import { readFileSync } from 'node:fs'

/**
 * @typedef {object} Hour
 * @property {string} date
 * @property {string} node
 * @property {number} [rounds]
 * @property {string} [note]
 * @property {Record<string, number>} throughput  GB/s, the median by candidate
 */

const path = new URL('hours.json', import.meta.url)

/** @returns {Hour[]} */
export function readHours() {
  return JSON.parse(readFileSync(path, 'utf8'))
}

/**
 * Of each candidate the least and the most of its medians and, but for ours, of our quotient by it in the same run.
 *
 * @param {Hour[]} hours
 */
export function ranges(hours) {
  const ids = [...new Set(hours.flatMap(({ throughput }) => Object.keys(throughput)))]
  return ids.map((id) => {
    const together = hours.filter(({ throughput }) => throughput[id] !== undefined && throughput.ours !== undefined)
    const speeds = together.map(({ throughput }) => Number(throughput[id]))
    const quotients = together.map(({ throughput }) => Number(throughput.ours) / Number(throughput[id]))
    return { id, speed: range(speeds), quotient: id === 'ours' ? null : range(quotients) }
  })
}

/** @param {number[]} values @returns {[number, number]} */
function range(values) {
  return [Math.min(...values), Math.max(...values)]
}
