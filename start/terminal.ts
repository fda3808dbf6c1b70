/** One line that is rewritten in place, below log lines that scroll. For terminals only. */
export interface StatusLine {
  show(text: string): void;
  /** A log line as pino writes it, shown for people above the status line. */
  write(jsonLine: string): void;
  end(): void;
}

export function createStatusLine(output: { write(text: string): unknown; columns?: number }): StatusLine {
  let current = '';
  const clear = '\r\u001b[2K';
  return {
    show(text) {
      current = text.slice(0, (output.columns ?? 80) - 1);
      output.write(clear + current);
    },
    write(jsonLine) {
      output.write(`${clear}${readable(jsonLine)}\n${current}`);
    },
    end() {
      output.write(`${clear}`);
      current = '';
    },
  };
}

function readable(jsonLine: string): string {
  const { level, time, msg, ...fields } = JSON.parse(jsonLine) as Record<string, unknown>;
  const clock = String(time).slice(11, 19);
  const rest = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return [clock, String(level).padEnd(5), msg, ...rest].join(' ');
}
