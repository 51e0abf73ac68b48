#include "schema/time.h"

#include <array>

namespace pawl {
namespace {

// Civil dates, computed by counting days in 400-year eras: exact for every date and independent of the C library's time
// zones.
struct Date {
  std::int64_t year;
  unsigned month;
  unsigned day;
};

constexpr std::int64_t days_per_era = 146'097;
constexpr std::int64_t days_to_1970 = 719'468;  // from 0000-03-01

constexpr std::int64_t days_from_date(Date date) {
  const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0);
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month_from_march = (date.month + 9) % 12;
  const std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * days_per_era + day_of_era - days_to_1970;
}

constexpr Date date_from_days(std::int64_t days) {
  const std::int64_t shifted = days + days_to_1970;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - (days_per_era - 1)) / days_per_era;
  const std::int64_t day_of_era = shifted - era * days_per_era;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  const unsigned day = static_cast<unsigned>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  const unsigned month = static_cast<unsigned>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

constexpr std::int64_t us_per_day = 86'400 * us_per_s;
constexpr std::uint64_t us_per_second = us_per_s;
constexpr std::uint64_t us_per_minute = 60 * us_per_second;
constexpr std::uint64_t us_per_hour = 60 * us_per_minute;

}  // namespace

// Without printf, which would take longer than all else that an answer needs.
std::string rfc3339(TimeUs time) {
  std::int64_t days = time.us / us_per_day;
  std::int64_t rest = time.us % us_per_day;
  if (rest < 0) {
    rest += us_per_day;
    --days;
  }
  const Date date = date_from_days(days);
  const auto us = static_cast<std::uint64_t>(rest);
  std::array<char, 48> text;
  char* at = text.data();
  const auto put = [&at](std::uint64_t number, int digits) {
    for (int i = digits; i-- > 0; number /= 10) at[i] = static_cast<char>('0' + number % 10);
    at += digits;
  };
  // A year before 0 or after 9999 is not RFC 3339; it is shown as it is.
  const bool is_before_0 = date.year < 0;
  if (is_before_0) *at++ = '-';
  const auto year = static_cast<std::uint64_t>(is_before_0 ? -date.year : date.year);
  int digits = is_before_0 ? 3 : 4;
  for (std::uint64_t bound = is_before_0 ? 1000 : 10'000; year >= bound; bound *= 10) ++digits;
  put(year, digits);
  *at++ = '-';
  put(date.month, 2);
  *at++ = '-';
  put(date.day, 2);
  *at++ = 'T';
  put(us / us_per_hour, 2);
  *at++ = ':';
  put(us / us_per_minute % 60, 2);
  *at++ = ':';
  put(us / us_per_second % 60, 2);
  *at++ = '.';
  put(us % us_per_second, 6);
  *at++ = 'Z';
  return {text.data(), at};
}

Result<TimeUs> parse_rfc3339(std::string_view text) {
  const auto bad = [&] {
    return Error{ErrorCode::malformed, "'" + std::string(text) + "' is not a time such as 2026-06-15T10:00:00.000000Z"};
  };
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < shape.size() + 1 || text.back() != 'Z') return bad();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == 'd' ? !digit : text[i] != shape[i]) return bad();
  }
  const auto number = [&](std::size_t from, std::size_t count) {
    std::int64_t value = 0;
    for (std::size_t i = from; i < from + count; ++i) value = value * 10 + (text[i] - '0');
    return value;
  };
  const Date date{number(0, 4), static_cast<unsigned>(number(5, 2)), static_cast<unsigned>(number(8, 2))};
  const std::int64_t days = days_from_date(date);
  const Date again = date_from_days(days);  // 30 February would convert back to a different date.
  if (date.month < 1 || date.month > 12 || again.month != date.month || again.day != date.day) return bad();
  if (number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) return bad();

  std::string_view decimals = text.substr(shape.size(), text.size() - shape.size() - 1);
  std::int64_t us = 0;
  if (!decimals.empty()) {
    if (decimals.front() != '.' || decimals.size() < 2 || decimals.size() > 7) return bad();
    decimals.remove_prefix(1);
    for (std::size_t i = 0; i < 6; ++i) {
      const char c = i < decimals.size() ? decimals[i] : '0';
      if (c < '0' || c > '9') return bad();
      us = us * 10 + (c - '0');
    }
  }
  const std::int64_t seconds = number(11, 2) * 3600 + number(14, 2) * 60 + number(17, 2);
  return TimeUs{days * us_per_day + seconds * us_per_s + us};
}

}  // namespace pawl
