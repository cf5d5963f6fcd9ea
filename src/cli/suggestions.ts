/** What was meant by an option that there is not: a slip, a part of a name, or how another program calls it. */
/** What curl, nc, scp, rsync, croc and others call it. Where the command has no such option, the words mean nothing. */
const elsewhere: Record<string, string> = {
  '--quiet': 's silent',
  '--out': 'O d output dir directory folder destination',
  '--port': 'P',
  '--host': 'b s address bind interface',
  '--timeout': 'w max-time timeout-seconds',
  '--wait': 'retry',
  '--listen': 'l',
  '--text': 'm message msg',
  '--name': 'filename rename as',
  '--exec': 'e c command hook run',
  '--accept': 'type mime',
  '--if-exists overwrite': 'f force overwrite',
  '--if-exists skip': 'n no-clobber ignore-existing',
}

const archive = 'a directory is sent as an archive: tar -C dir -c . | tcp-send --name dir.tar - host 9000'
const open = 'nothing is encrypted; use a network that you trust, or a tunnel'

/** Other words, and what is to be known instead of an option. */
const answers: Record<'both' | 'tcp-send' | 'tcp-recv', Record<string, string>> = {
  both: {
    'i key key-file identity code pass password secret tls ssl encrypt': open,
    'u udp': 'files go over TCP only',
    'z compress gzip': 'compress with a program: gzip -c file | tcp-send --name file.gz - host 9000',
  },
  'tcp-send': {
    'r R a recursive archive': archive,
    'file input T upload-file': 'the path is given as it is: tcp-send file.txt host 9000',
    'out output o O connect if-exists': 'that is for the receiver: tcp-recv --port 9000 --out dir',
    N: 'the end is always told',
  },
  'tcp-recv': {
    'l listen': 'tcp-recv listens unless --connect is given',
    'text message': 'messages are taken like files; --text-only takes nothing else',
  },
}

/**
 * `; did you mean --name?`, or what there is instead; empty if nothing comes near. `names` are the options of `command`,
 * `typed` is what was taken for one, with its dashes.
 */
export function suggestion(command: string, names: readonly string[], typed: string): string {
  const word = typed.replace(/^-+|=.*$/gs, '')
  const dashed = (test: (name: string) => boolean) => names.filter(test).map((name) => `--${name}`)
  const exact = dashed((name) => bare(name) === bare(word))
  const foreign = Object.entries(elsewhere).flatMap(([option, words]) =>
    isOneOf(words, word) && has(names, option) ? [option] : [],
  )
  const slips = dashed((name) => word.length > 2 && isSlip(bare(word), bare(name)))
  const found = [exact, foreign, slips].find((options) => options.length > 0)
  if (found) return meant(found)
  const table = { ...answers.both, ...answers[command as 'tcp-send' | 'tcp-recv'] }
  const answer = Object.entries(table).find(([words]) => isOneOf(words, word))
  if (answer) return `; ${answer[1]}`
  return meant(dashed((name) => word.length > 1 && (name.startsWith(word) || name.split('-').includes(word))))
}

function isOneOf(words: string, word: string): boolean {
  return words.split(' ').includes(word)
}

/** True if the option of a line such as `--if-exists skip` is among `names`. */
function has(names: readonly string[], line: string): boolean {
  return names.some((name) => `${line} `.startsWith(`--${name} `))
}

function meant(options: readonly string[]): string {
  if (options.length === 0) return ''
  return `; did you mean ${options.join(', ').replace(/, ([^,]*)$/, ' or $1')}?`
}

/** A name as it is recognised: `maxSize`, `max_size` and `max-size` are one. */
function bare(name: string): string {
  return name.replace(/[-_.]/g, '').toLowerCase()
}

/** True if one letter is wrong, missing or too many, or two have changed places. */
function isSlip(typed: string, name: string): boolean {
  let start = 0
  while (start < typed.length && typed[start] === name[start]) start++
  let end = 0
  const most = Math.min(typed.length, name.length) - start
  while (end < most && typed.at(-1 - end) === name.at(-1 - end)) end++
  const [wrong, right] = [typed.slice(start, typed.length - end), name.slice(start, name.length - end)]
  return (wrong.length <= 1 && right.length <= 1) || (wrong.length === 2 && wrong === [...right].reverse().join(''))
}
