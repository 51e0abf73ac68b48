// A signal that changes often, for what is read again with each of its values.
import { useSignal, useSignalEffect, type Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

/// Its value now, and then at most each `ms`.
export function useSlow<T>(source: Signal<T>, ms: number): T {
  const seen = useSignal(source.peek());
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const last = useRef(0);
  useSignalEffect(() => {
    if (source.value === seen.peek() || timer.current !== null) return;
    timer.current = setTimeout(
      () => {
        timer.current = null;
        last.current = Date.now();
        seen.value = source.peek();
      },
      Math.max(0, last.current + ms - Date.now()),
    );
  });
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
    },
    [],
  );
  return seen.value;
}
