/**
 * `--metrics`: what a receiver has done so far, for Prometheus, and whether it still listens, for whoever watches over
 * it. The text is its exposition format, version 0.0.4. Loaded only with this option.
 */
import { createServer, type ServerResponse } from 'node:http'
import { flushing } from '../disk/disk.js'
import { TransferError } from '../errors.js'
import type { TransferEvent } from '../events.js'
import { formatAddress } from '../net/address.js'
import { describe } from '../system-errors.js'

/** The most connections at the same time. Whoever watches needs one. */
const MAX_CONNECTIONS = 16

/** How long a request may take to come, in milliseconds. */
const REQUEST_TIMEOUT = 5_000

/** What one metric counts, by the value of its label. A metric without a label has one value, whose name is empty. */
class Metric {
  readonly #values = new Map<string, number>()
  readonly #name: string
  readonly #help: string
  readonly #label: string

  constructor(name: string, help: string, label = '') {
    this.#name = `tcp_recv_${name}`
    this.#help = help
    this.#label = label
    if (label === '') this.#values.set('', 0)
  }

  add(count: number, value = ''): void {
    this.#values.set(value, (this.#values.get(value) ?? 0) + count)
  }

  set(count: number): void {
    this.#values.set('', count)
  }

  get text(): string {
    const type = this.#name.endsWith('_total') ? 'counter' : 'gauge'
    // The values of labels come from tables of this program, so nothing in them needs an escape.
    const lines = Array.from(this.#values, ([value, count]) => {
      return `${this.#name}${this.#label === '' ? '' : `{${this.#label}="${value}"}`} ${count}\n`
    })
    return `# HELP ${this.#name} ${this.#help}\n# TYPE ${this.#name} ${type}\n${lines.join('')}`
  }
}

export class Metrics {
  readonly #metrics = {
    transfers: new Metric('transfers_total', 'Transfers that have ended.', 'outcome'),
    active: new Metric('transfers_active', 'Transfers under way.'),
    files: new Metric('files_total', 'Files that were stored.'),
    bytes: new Metric('bytes_total', 'Bytes of the stored files.'),
    messages: new Metric('messages_total', 'Messages that have come.'),
    refused: new Metric('refused_total', 'Files, transfers and connections that were refused.', 'reason'),
    failed: new Metric('failed_total', 'Files and transfers that have failed.', 'reason'),
    flush: new Metric(
      'flush_seconds_total',
      'Time in which files were flushed to the disk, of all transfers together.',
    ),
    start: new Metric('start_time_seconds', 'When the process has started, in seconds since 1970.'),
  }
  #isListening = false

  constructor() {
    this.#metrics.start.set(Math.round(performance.timeOrigin) / 1000)
    for (const outcome of ['complete', 'incomplete']) this.#metrics.transfers.add(0, outcome)
  }

  onEvent(event: TransferEvent): void {
    const { transfers, active, files, bytes, messages, refused, failed } = this.#metrics
    if (event.event === 'listening') this.#isListening = true
    else if (event.event === 'done') this.#isListening = false
    else if (event.event === 'connected') active.add(1)
    else if (event.event === 'message') messages.add(1)
    else if (event.event === 'refused') refused.add(1 + (event.others ?? 0), event.reason)
    else if (event.event === 'failed') failed.add(1 + (event.others ?? 0), event.reason)
    else if (event.event === 'ended') {
      active.add(-1)
      transfers.add(1, event.complete ? 'complete' : 'incomplete')
      files.add(event.files)
      bytes.add(event.bytes)
    }
  }

  /** The receiver takes nothing new any more. */
  onDrain(): void {
    this.#isListening = false
  }

  get text(): string {
    this.#metrics.flush.set(Math.round(flushing.milliseconds) / 1000)
    return Object.values(this.#metrics)
      .map(({ text }) => text)
      .join('')
  }

  /** The answer to a request. */
  answer(method: string, path: string, response: ServerResponse): void {
    const [status, text] = this.#answerTo(method, path)
    response.writeHead(status, {
      'content-type': `text/plain; ${path === '/metrics' ? 'version=0.0.4; ' : ''}charset=utf-8`,
      connection: 'close',
    })
    response.end(method === 'HEAD' ? undefined : text)
  }

  #answerTo(method: string, path: string): [status: number, text: string] {
    if (method !== 'GET' && method !== 'HEAD') return [405, 'only GET and HEAD\n']
    if (path === '/metrics') return [200, this.text]
    if (path === '/health') return this.#isListening ? [200, 'listening\n'] : [503, 'not listening\n']
    return [404, 'there are /metrics and /health\n']
  }
}

/** Serves the metrics until the process ends. Returns the port. Throws a `connect` error if it cannot listen. */
export function serveMetrics(metrics: Metrics, { host, port }: { host: string; port: number }): Promise<number> {
  const server = createServer(
    // Node.js looks only now and then whether a request has taken too long: by default every 30 seconds.
    { requestTimeout: REQUEST_TIMEOUT, headersTimeout: REQUEST_TIMEOUT, connectionsCheckingInterval: 1_000 },
    (request, response) => {
      metrics.answer(String(request.method), String(request.url).replace(/\?.*$/, ''), response)
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  // Nobody waits for it at the end.
  server.unref().on('connection', (socket) => socket.unref())
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const text = `--metrics cannot listen on ${formatAddress(host, port)}: ${describe(error)}`
      reject(new TransferError('connect', text, { cause: error }))
    })
    server.listen({ host, port }, () => resolve((server.address() as { port: number }).port))
  })
}
