/** `tcp-chat`: turns its options into options of `chat`, and its input into what is said. */
import { isName } from '../chat/chat-protocol.js'
import { type ChatOptions, chat, NAME_RULE } from '../chat.js'
import { asTransferError, type TransferError } from '../errors.js'
import { printable, shellWord } from '../text.js'
import type { Arguments } from './arguments.js'
import { chatCommandLine } from './chat-command-line.js'
import { Audience, sayInput } from './chat-input.js'
import { ChatOutput } from './chat-output.js'
import { talkAtTerminal } from './chat-terminal.js'
import { runCommand, secretFor } from './command.js'
import { listeningOnly, readPeerOptions, readSeconds } from './common-options.js'
import { type EndpointGuess, guessEndpoint, readEndpoint, readHost, splitEndpoint } from './endpoint.js'
import { portFileWriter } from './port-file.js'
import type { Context } from './run.js'
import { parseInteger, usage } from './values.js'

/** Runs `tcp-chat` with the arguments behind its name. Returns the exit status. */
export async function chatCommand(argv: string[]): Promise<number> {
  return await runCommand(chatCommandLine, argv, chatWith)
}

async function chatWith(args: Arguments, context: Context): Promise<TransferError | null> {
  const writePort = portFileWriter(args.text('port-file'))
  const options = readOptions(args)
  const secret = await secretFor(args, context, options.listen === true)
  const switches = { json: args.flag('json'), quiet: args.flag('quiet') }
  // Over UDP, anybody can write to a side that listens.
  const showsNames = options.room === true || (options.udp === true && options.listen === true)
  const output = new ChatOutput({ ...switches, abort: context.abort }, showsNames)
  const audience = new Audience()
  try {
    const talk = await chat({
      ...options,
      ...secret,
      signal: context.signal,
      onEvent(event) {
        if (event.event === 'listening') writePort(event)
        if (event.event === 'joined') audience.gather()
        return output.onEvent(event)
      },
    })
    const screen = await talkAtTerminal(talk, output)
    if (!screen) void sayInput(talk, audience, output)
    await talk.finished.finally(() => {
      screen?.close()
      audience.end()
    })
  } catch (error) {
    // The first failure is the one that counts.
    await output.close().catch(() => {})
    return asTransferError(error)
  }
  await output.close()
  return null
}

function readOptions(args: Arguments): ChatOptions {
  const target = args.positionals.length > 0 ? readConnecting(args) : readListening(args)
  const { maxConnections, maxPerPeer, allowFrom } = readPeerOptions(args)
  const name = args.text('name')
  if (name !== undefined && !isName(name))
    throw usage(`--name must be ${NAME_RULE.replace('at most ', '1 to ')}, not "${printable(name, 60)}"`)
  return {
    ...target,
    ...{ name, maxConnections, maxPerPeer, allowFrom },
    room: args.flag('room'),
    echo: args.flag('echo'),
    once: args.flag('once'),
    plain: args.flag('plain'),
    udp: readUdp(args),
    wait: readSeconds(args, 'wait'),
    timeout: readSeconds(args, 'timeout'),
  }
}

/** Reads `--udp`. Throws a usage error for what needs a connection. */
function readUdp(args: Arguments): boolean {
  const isUdp = args.flag('udp')
  const unused = ['plain', 'echo', 'once', 'key-file', 'code', 'max-connections', 'max-per-peer'].find((name) =>
    args.flag(name),
  )
  if (isUdp && unused !== undefined) throw usage(`--${unused} needs a connection, so it does not go with --udp`)
  if (isUdp && args.flag('wait') && args.positionals.length > 0)
    throw usage('--wait waits for a connection, so it does not go with --udp; that tells at once if nobody is there')
  return isUdp
}

type Target = Pick<ChatOptions, 'listen' | 'host' | 'port'>

function readListening(args: Arguments): Target {
  const { host, port } = readEndpoint(args, 'host', 0)
  if (port === undefined) throw usage('to listen: tcp-chat --port 9000; to connect: tcp-chat host 9000')
  if (args.flag('plain')) throw usage('--plain is for a side that connects; one that listens talks to any program')
  return { listen: true, host, port }
}

/** Reads `HOST PORT` or `HOST:PORT`. Throws a usage error for anything else. */
function readConnecting(args: Arguments): Target {
  const [first = '', second, ...more] = args.positionals
  const endpoint = second === undefined ? splitEndpoint(first) : null
  const { host, port } = endpoint ?? { host: first, port: second }
  const isOption = ['port', 'host'].some((name) => args.flag(name))
  if (isOption || more.length > 0 || port === undefined || !/^\d+$/.test(port) || guessEndpoint(host)?.note)
    throw correction(args)
  const unused = [...listeningOnly, 'room', 'echo', 'once'].find((name) => args.flag(name))
  if (unused !== undefined) throw usage(`--${unused} is for a side that listens: tcp-chat --port ${port} --${unused}`)
  return { host: readHost('the host', host), port: parseInteger('the port', port, 1, 65535) }
}

function correction(args: Arguments): TransferError {
  const parts = args.positionals.map((word): EndpointGuess => guessEndpoint(word) ?? { host: word })
  const find = (part: 'host' | 'port') => parts.find((guess) => guess[part] !== undefined)?.[part] ?? args.text(part)
  const words = [shellWord(find('host') ?? 'host'), find('port') ?? '9000']
  return usage(`to connect, give a host and a port: ${['tcp-chat', ...args.typed('host', 'port'), ...words].join(' ')}`)
}
